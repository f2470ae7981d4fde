// glibc's `mallopt`, which Swift's own module of glibc leaves out. Empty elsewhere.
#if defined(__linux__)
#include <malloc.h>
#endif
