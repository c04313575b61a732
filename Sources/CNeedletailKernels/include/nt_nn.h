// The loops of the networks that are not matrix products.
#pragma once
