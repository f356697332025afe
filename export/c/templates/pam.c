/* Reads the header; returns 0, or -1 if it is not that of a $kind file as described above. */
static int read_header(FILE *file, long *width, long *height)
{
    char line[100];
    long depth = 0, deepest = 0;

    if (fgets(line, sizeof line, file) == NULL || strcmp(line, "P7\n") != 0)
        return -1;
    while (fgets(line, sizeof line, file) != NULL && strcmp(line, "ENDHDR\n") != 0) {
        (void)sscanf(line, "WIDTH %6ld", width);
        (void)sscanf(line, "HEIGHT %6ld", height);
        (void)sscanf(line, "DEPTH %6ld", &depth);
        (void)sscanf(line, "MAXVAL %6ld", &deepest);
    }
    if (*width < 1 || *width > LARGEST || *height < 1 || *height > LARGEST)
        return -1;
    return depth == ${NAME}_CHANNELS && deepest == 255 ? 0 : -1;
}
