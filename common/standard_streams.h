/* The three standard descriptors. A program may be started with some of them closed; the next file
 * it opens would then become its standard output, and messages would be written into an archive. */
#ifndef CAIRN_COMMON_STANDARD_STREAMS_H
#define CAIRN_COMMON_STANDARD_STREAMS_H

/* First thing in main(): puts /dev/null where descriptor 0, 1 or 2 is closed. What is printed to
 * such a standard output still fails, as it would have. Ends the process if even that cannot be. */
void standard_streams_reserve(void);

#endif
