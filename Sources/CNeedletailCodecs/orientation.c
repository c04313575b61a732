// The EXIF orientation: where it is written, and how a picture is turned upright.

#include <string.h>

#include "include/nt_picture.h"

static uint32_t read_u16(const uint8_t *p, bool big_endian) {
    return big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read_u32(const uint8_t *p, bool big_endian) {
    return big_endian ? read_u16(p, true) << 16 | read_u16(p + 2, true) : read_u16(p + 2, false) << 16 | read_u16(p, false);
}

int nt_exif_orientation(const uint8_t *bytes, size_t count) {
    enum { orientation_tag = 0x0112, type_short = 3, entry_size = 12 };
    if (count >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) {
        bytes += 6;
        count -= 6;
    }
    if (count < 8) return 1;
    bool big_endian = bytes[0] == 'M';
    if (bytes[0] != bytes[1] || (bytes[0] != 'M' && bytes[0] != 'I')) return 1;
    if (read_u16(bytes + 2, big_endian) != 42) return 1;
    size_t offset = read_u32(bytes + 4, big_endian);
    if (offset > count || count - offset < 2) return 1;
    size_t entries = read_u16(bytes + offset, big_endian);
    offset += 2;
    // A directory that claims more entries than there are bytes is read as far as it goes.
    size_t present = (count - offset) / entry_size;
    if (entries > present) entries = present;
    for (size_t i = 0; i < entries; i++) {
        const uint8_t *entry = bytes + offset + i * entry_size;
        if (read_u16(entry, big_endian) != orientation_tag) continue;
        if (read_u16(entry + 2, big_endian) != type_short || read_u32(entry + 4, big_endian) != 1) return 1;
        uint32_t value = read_u16(entry + 8, big_endian);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

void nt_orient_rgb8(const uint8_t *source, size_t width, size_t height, int orientation, uint8_t *target) {
    // Target pixel (x, y) is the source pixel at corner + x * across + y * down, in bytes.
    ptrdiff_t pixel = 3, row = (ptrdiff_t)width * 3;
    ptrdiff_t right = (ptrdiff_t)(width - 1) * pixel, bottom = (ptrdiff_t)(height - 1) * row;
    ptrdiff_t corner = 0, across = pixel, down = row;
    switch (orientation) {
        case 2: corner = right, across = -pixel, down = row; break;
        case 3: corner = right + bottom, across = -pixel, down = -row; break;
        case 4: corner = bottom, across = pixel, down = -row; break;
        case 5: corner = 0, across = row, down = pixel; break;
        case 6: corner = bottom, across = -row, down = pixel; break;
        case 7: corner = right + bottom, across = -row, down = -pixel; break;
        case 8: corner = right, across = row, down = -pixel; break;
        default: break;
    }
    size_t target_width = orientation >= 5 ? height : width, target_height = orientation >= 5 ? width : height;
    // Tiles keep both pictures in the first-level cache where one is walked along its columns.
    enum { tile = 32 };
    for (size_t y0 = 0; y0 < target_height; y0 += tile) {
        size_t y1 = target_height - y0 < tile ? target_height : y0 + tile;
        for (size_t x0 = 0; x0 < target_width; x0 += tile) {
            size_t x1 = target_width - x0 < tile ? target_width : x0 + tile;
            for (size_t y = y0; y < y1; y++) {
                const uint8_t *from = source + corner + (ptrdiff_t)x0 * across + (ptrdiff_t)y * down;
                uint8_t *to = target + (y * target_width + x0) * 3;
                for (size_t x = x0; x < x1; x++, from += across, to += 3) {
                    to[0] = from[0];
                    to[1] = from[1];
                    to[2] = from[2];
                }
            }
        }
    }
}
