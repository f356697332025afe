/* Writes the logits of the pictures that it reads, without anything in between. */
#include <stdio.h>

#include "$name.h"

int main(void)
{
    static uint8_t picture[${NAME}_PIXELS], scratch[${NAME}_SCRATCH];
    int8_t logits[${NAME}_CLASSES];

    while (fread(picture, 1, sizeof picture, stdin) == sizeof picture) {
        if (${name}_logits(picture, logits, scratch) != 0)
            return 1;
        fwrite(logits, 1, sizeof logits, stdout);
    }
    return 0;
}
