/* diracnet10_x0_25_cifar:mine
 *
 * Made from the folded net with the sha256 4eb0ebbc64db49a243526d905b7f753d460f3afb5e4d9a83e7ad953b6be31ac7.
 *
 * int8 arithmetic from the picture to the logits: no floating point, no allocation, no global state that changes,
 * nothing from the library but <stdint.h> and <string.h>. Written by diracnet-zoo; do not edit.
 */
#ifndef DIRACNET10_X0_25_CIFAR_H
#define DIRACNET10_X0_25_CIFAR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIRACNET10_X0_25_CIFAR_SIZE 32 /* height and width of a picture, in pixels */
#define DIRACNET10_X0_25_CIFAR_CHANNELS 3 /* bytes per pixel */
#define DIRACNET10_X0_25_CIFAR_PIXELS 3072 /* bytes per picture */
#define DIRACNET10_X0_25_CIFAR_CLASSES 3
#define DIRACNET10_X0_25_CIFAR_SCRATCH 4388 /* bytes of working memory */
#define DIRACNET10_X0_25_CIFAR_RESIZE 32 /* the shorter side of a picture before its centre is cropped */

/* A logit q stands for LOGITS_SCALE * (q - LOGITS_ZERO_POINT). */
#define DIRACNET10_X0_25_CIFAR_LOGITS_SCALE 0.294921875
#define DIRACNET10_X0_25_CIFAR_LOGITS_ZERO_POINT (-10)

/* The names of the classes. */
extern const char *const DIRACNET10_X0_25_CIFAR_LABELS[DIRACNET10_X0_25_CIFAR_CLASSES];

/* Computes the logits of a picture.
 *
 * rgb: rows from the top, pixels from the left, red, green and blue of a pixel together.
 * logits: one for each class; the largest is the answer.
 * scratch: DIRACNET10_X0_25_CIFAR_SCRATCH bytes, which need no alignment and may be used for other things between two calls.
 *
 * Returns 0, or -1 if one of the pointers is NULL.
 */
int diracnet10_x0_25_cifar_logits(const uint8_t rgb[DIRACNET10_X0_25_CIFAR_PIXELS], int8_t logits[DIRACNET10_X0_25_CIFAR_CLASSES], void *scratch);

/* ---- What follows is for the net's own files. ---- */

/* The numbers in diracnet10_x0_25_cifar_weights.c; another net's do not compile with this header. */
#define DIRACNET10_X0_25_CIFAR_WEIGHTS_2994f04fd37e7e20

#define DIRACNET10_X0_25_CIFAR_LAYERS 8

/* Maps hold bytes: where LiteRT has the int8 number q, they have q + 128, and zero points are higher by 128, too. */
typedef struct {
    const int8_t *weight;      /* filters, each in the order of a patch */
    const int32_t *bias;       /* minus the input's zero point times the sum of the filter's weights */
    const int32_t *multiplier; /* with shift: what turns a sum into an output, see requantize() */
    const int32_t *shift;
    int32_t size;              /* height and width of the input */
    int32_t inputs;            /* its channels */
    int32_t outputs;
    int32_t kernel;
    int32_t stride;
    int32_t padding;
    int32_t patch;             /* bytes of a filter */
    uint8_t zero;              /* the input's zero point */
    uint8_t output_zero;
    uint8_t lowest;            /* the smallest output: the zero point if a ReLU follows */
} diracnet10_x0_25_cifar_layer;

extern const diracnet10_x0_25_cifar_layer diracnet10_x0_25_cifar_layers[DIRACNET10_X0_25_CIFAR_LAYERS];
extern const uint8_t diracnet10_x0_25_cifar_codes[DIRACNET10_X0_25_CIFAR_CHANNELS][256]; /* pixels, normalized */

#ifdef __cplusplus
}
#endif

#endif
