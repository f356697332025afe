/* $title: the weights. See $name.h. */
#include "$name.h"

#include <string.h>

#ifndef ${NAME}_WEIGHTS_$id
#error "${name}_weights.c and $name.h are not of the same net"
#endif

$numbers
