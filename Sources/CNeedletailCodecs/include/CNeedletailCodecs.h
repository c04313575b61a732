// Picture decoding and encoding in C, for what Swift cannot call safely: libjpeg and libpng report errors by longjmp.
#pragma once
