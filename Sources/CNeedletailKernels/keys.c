// Selection and sorting of keys. Both partition without a branch that depends on a key: which side one belongs to cannot be foretold.
#include "nt_keys.h"
#include <stdbool.h>

// Keys that are sorted by insertion.
#define FEW_KEYS 16

/// Of three keys the least, the middle or the greatest one: whichever is nearest to the key that `wanted` of `count` are below.
static uint64_t pivot_of(const uint64_t *keys, size_t count, size_t wanted) {
    const uint64_t a = keys[0], b = keys[count / 2], c = keys[count - 1];
    const uint64_t least = a < b ? a : b, most = a < b ? b : a;
    if (wanted < count / 4) return least < c ? least : c;
    if (wanted > count - count / 4) return most > c ? most : c;
    return c < least ? least : c > most ? most : c;
}

/// Brings the keys below `pivot`, or at most it, to the front. Returns how many they are.
static size_t partition(uint64_t *keys, size_t count, uint64_t pivot, bool inclusive) {
    size_t front = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t key = keys[i];
        keys[i] = keys[front];
        keys[front] = key;
        front += inclusive ? key <= pivot : key < pivot;
    }
    return front;
}

static void sort_few(uint64_t *keys, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const uint64_t key = keys[i];
        size_t at = i;
        for (; at && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

uint64_t nt_least_keys(uint64_t *keys, size_t count, size_t keep) {
    uint64_t *first = keys;
    size_t wanted = keep - 1;
    while (count > FEW_KEYS) {
        const uint64_t pivot = pivot_of(first, count, wanted);
        size_t front = partition(first, count, pivot, false);
        if (wanted < front) {
            count = front;
            continue;
        }
        // Nothing may be below the pivot, so the pivot itself has to go.
        front += partition(first + front, count - front, pivot, true);
        if (wanted < front) return pivot;
        first += front;
        wanted -= front;
        count -= front;
    }
    sort_few(first, count);
    return first[wanted];
}

void nt_sort_keys(uint64_t *keys, size_t count) {
    while (count > FEW_KEYS) {
        const uint64_t pivot = pivot_of(keys, count, count / 2);
        const size_t front = partition(keys, count, pivot, false);
        if (front == 0) {
            // Nothing is below the pivot: what equals it is in place.
            const size_t equal = partition(keys, count, pivot, true);
            keys += equal;
            count -= equal;
            continue;
        }
        // The shorter part by recursion, so that its depth stays below 64.
        if (front < count - front) {
            nt_sort_keys(keys, front);
            keys += front;
            count -= front;
        } else {
            nt_sort_keys(keys + front, count - front);
            count = front;
        }
    }
    sort_few(keys, count);
}
