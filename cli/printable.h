/* SPDX-License-Identifier: MIT */
/* printable – what others wrote, on this terminal. */
#ifndef KG_CLI_PRINTABLE_H
#define KG_CLI_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Prints text of any origin as one line, without its end: what moves the cursor, gives the terminal
 * orders, turns the direction of writing or is no UTF-8 becomes '?'. Tabs stay. */
void kg_printable(FILE *out, const char *text, size_t size);

/* The same of a text of lines: each but the first behind `indent`, all but the last with its end.
 */
void kg_printable_lines(FILE *out, const char *indent, const char *text, size_t size);

#endif
