/* diracnet10_x0_25_cifar:mine: names what is in a picture.
 *
 *     cc *.c && ./a.out picture.ppm
 *
 * This file may use what a computer has; the net's own files do not need it. The picture, a binary PPM with 8 bits
 * a channel, is scaled by averaging, which is close to the resizing that the net was measured with, but not the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diracnet10_x0_25_cifar.h"

#define LARGEST 16384

/* Reads a number of the header, after spaces and comments; returns -1 at a fault. */
static long read_number(FILE *file)
{
    long number = 0;
    int c = getc(file);

    while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = getc(file);
        c = getc(file);
    }
    if (c < '0' || c > '9')
        return -1;
    for (; c >= '0' && c <= '9'; c = getc(file))
        if ((number = 10 * number + c - '0') > LARGEST)
            return -1;
    return number; /* the one character after it has been read, too */
}

/* Reads the header; returns 0, or -1 if it is not that of a PPM file as described above. */
static int read_header(FILE *file, long *width, long *height)
{
    const int right = getc(file) == 'P' && getc(file) == '6' && (*width = read_number(file)) >= 1 &&
                      (*height = read_number(file)) >= 1 && read_number(file) == 255;

    return right ? 0 : -1;
}

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
        fprintf(stderr, "%s is not a binary PPM with 8 bits a channel, %d channels and at most %d pixels a side\n",
                path, DIRACNET10_X0_25_CIFAR_CHANNELS, LARGEST);
    } else {
        bytes = (size_t)*width * (size_t)*height * DIRACNET10_X0_25_CIFAR_CHANNELS;
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
    const int64_t wide = width * DIRACNET10_X0_25_CIFAR_RESIZE / shorter, high = height * DIRACNET10_X0_25_CIFAR_RESIZE / shorter;
    const int64_t left = (wide - DIRACNET10_X0_25_CIFAR_SIZE) / 2, top = (high - DIRACNET10_X0_25_CIFAR_SIZE) / 2;

    for (int64_t y = top; y < top + DIRACNET10_X0_25_CIFAR_SIZE; y++)
        for (int64_t x = left; x < left + DIRACNET10_X0_25_CIFAR_SIZE; x++) {
            const int64_t y0 = y * height / high, y1 = (y + 1) * height / high;
            const int64_t x0 = x * width / wide, x1 = (x + 1) * width / wide;

            const int there = y >= 0 && y < high && x >= 0 && x < wide; /* else it is black */

            for (int c = 0; c < DIRACNET10_X0_25_CIFAR_CHANNELS; c++) {
                uint64_t sum = 0, count = 0;

                for (int64_t j = y0; there && j < (y1 > y0 ? y1 : y0 + 1); j++)
                    for (int64_t i = x0; i < (x1 > x0 ? x1 : x0 + 1); i++, count++)
                        sum += pixels[((size_t)j * (size_t)width + (size_t)i) * DIRACNET10_X0_25_CIFAR_CHANNELS + (size_t)c];
                *picture++ = (uint8_t)(count > 0 ? (sum + count / 2) / count : 0);
            }
        }
}

int main(int count, char **paths)
{
    static uint8_t picture[DIRACNET10_X0_25_CIFAR_PIXELS], scratch[DIRACNET10_X0_25_CIFAR_SCRATCH];
    int8_t logits[DIRACNET10_X0_25_CIFAR_CLASSES];
    int status = 0;

    if (count < 2) {
        fprintf(stderr, "usage: %s PICTURE.ppm ...\n", paths[0]);
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
        diracnet10_x0_25_cifar_logits(picture, logits, scratch);
        for (int class = 1; class < DIRACNET10_X0_25_CIFAR_CLASSES; class++)
            if (logits[class] > logits[best])
                best = class;
        printf("%s: %s\n", paths[index], DIRACNET10_X0_25_CIFAR_LABELS[best]);
    }
    return status;
}
