/* $title: names what is in a picture.
 *
 *     cc *.c && ./a.out picture.$suffix
 *
 * This file may use what a computer has; the net's own files do not need it. The picture, a binary $kind with 8 bits
 * a channel, is scaled by averaging, which is close to the resizing that the net was measured with, but not the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "$name.h"

#define LARGEST 16384

$header
/* Returns the pixels of a file, or NULL after saying what is wrong with it. */
static unsigned char *read_picture(const char *path, long *width, long *height)
{
    FILE *file = fopen(path, "rb");
    unsigned char *pixels = NULL;
    size_t bytes;

    if (file == NULL) {
        perror(path);
        return NULL;
    }
    if (read_header(file, width, height) != 0) {
        fprintf(stderr, "%s is not a binary $kind with 8 bits a channel, %d channels and at most %d pixels a side\n",
                path, ${NAME}_CHANNELS, LARGEST);
    } else {
        bytes = (size_t)*width * (size_t)*height * ${NAME}_CHANNELS;
        pixels = malloc(bytes);
        if (pixels == NULL || fread(pixels, 1, bytes, file) != bytes) {
            fprintf(stderr, "%s: %s\n", path, pixels == NULL ? "too large for the memory" : "the file ends early");
            free(pixels);
            pixels = NULL;
        }
    }
    fclose(file);
    return pixels;
}

/* Scales the shorter side to RESIZE and crops the centre; each pixel is the average of those that it covers. */
static void scale(const unsigned char *pixels, int64_t width, int64_t height, uint8_t *picture)
{
    const int64_t shorter = width < height ? width : height;
    const int64_t wide = width * ${NAME}_RESIZE / shorter, high = height * ${NAME}_RESIZE / shorter;
    const int64_t left = (wide - ${NAME}_SIZE) / 2, top = (high - ${NAME}_SIZE) / 2;

    for (int64_t y = top; y < top + ${NAME}_SIZE; y++)
        for (int64_t x = left; x < left + ${NAME}_SIZE; x++) {
            const int64_t y0 = y * height / high, y1 = (y + 1) * height / high;
            const int64_t x0 = x * width / wide, x1 = (x + 1) * width / wide;

            const int there = y >= 0 && y < high && x >= 0 && x < wide; /* else it is black */

            for (int c = 0; c < ${NAME}_CHANNELS; c++) {
                uint64_t sum = 0, count = 0;

                for (int64_t j = y0; there && j < (y1 > y0 ? y1 : y0 + 1); j++)
                    for (int64_t i = x0; i < (x1 > x0 ? x1 : x0 + 1); i++, count++)
                        sum += pixels[((size_t)j * (size_t)width + (size_t)i) * ${NAME}_CHANNELS + (size_t)c];
                *picture++ = (uint8_t)(count > 0 ? (sum + count / 2) / count : 0);
            }
        }
}

int main(int count, char **paths)
{
    static uint8_t picture[${NAME}_PIXELS], scratch[${NAME}_SCRATCH];
    int8_t logits[${NAME}_CLASSES];
    int status = 0;

    if (count < 2) {
        fprintf(stderr, "usage: %s PICTURE.$suffix ...\n", paths[0]);
        return 2;
    }
    for (int index = 1; index < count; index++) {
        long width = 0, height = 0;
        unsigned char *pixels = read_picture(paths[index], &width, &height);
        int best = 0;

        if (pixels == NULL) {
            status = 1;
            continue;
        }
        scale(pixels, width, height, picture);
        free(pixels);
        ${name}_logits(picture, logits, scratch);
        for (int class = 1; class < ${NAME}_CLASSES; class++)
            if (logits[class] > logits[best])
                best = class;
        printf("%s: %s\n", paths[index], ${NAME}_LABELS[best]);
    }
    return status;
}
