/* json.h: a value at a time onto a stream. The caller writes the punctuation. */
#ifndef SLUICE_ADMIN_JSON_H
#define SLUICE_ADMIN_JSON_H

#include <stdio.h>

/* With quotes; NULL becomes null. */
void json_put_str(FILE *out, const char *s);
/* Six significant digits; what is negative or not finite is not known: null. */
void json_put_known(FILE *out, double value);

#endif
