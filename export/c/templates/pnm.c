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

/* Reads the header; returns 0, or -1 if it is not that of a $kind file as described above. */
static int read_header(FILE *file, long *width, long *height)
{
    const int right = getc(file) == 'P' && getc(file) == '$digit' && (*width = read_number(file)) >= 1 &&
                      (*height = read_number(file)) >= 1 && read_number(file) == 255;

    return right ? 0 : -1;
}
