#include "CNeedletailCodecs.h"
