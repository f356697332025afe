/* Writes the logits of the pictures that it reads, without anything in between. */
#include <stdio.h>
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#include "$name.h"

int main(void)
{
    static uint8_t picture[${NAME}_PIXELS], scratch[${NAME}_SCRATCH];
    int8_t logits[${NAME}_CLASSES];

#ifdef _WIN32 /* where a stream is text, unless it is told otherwise */
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    while (fread(picture, 1, sizeof picture, stdin) == sizeof picture) {
        if (${name}_logits(picture, logits, scratch) != 0)
            return 1;
        fwrite(logits, 1, sizeof logits, stdout);
    }
    return 0;
}
