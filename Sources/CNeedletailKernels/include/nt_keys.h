// Selection and sorting of keys: pairs of a distance and a number in one integer (`nt_key`), ordered as integers.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Puts the `keep` least of `count` keys first, in no order, and returns the greatest of them. 1 <= keep <= count.
uint64_t nt_least_keys(uint64_t *keys, size_t count, size_t keep);

/// Sorts keys, ascending: a third of the time of a sort that branches where there are dozens.
void nt_sort_keys(uint64_t *keys, size_t count);

#ifdef __cplusplus
}
#endif
