// A region of code compiled for one instruction set, without per-file compiler flags: inline functions of the standard
// library stay outside it, so the linker can never pick an AVX-512 copy of them for an older machine.
#pragma once

#define IL_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define IL_TARGET_BEGIN(features) \
  IL_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define IL_TARGET_END IL_PRAGMA(clang attribute pop)
#else
#define IL_TARGET_BEGIN(features) IL_PRAGMA(GCC push_options) IL_PRAGMA(GCC target(features))
#define IL_TARGET_END IL_PRAGMA(GCC pop_options)
#endif
#define IL_INLINE inline __attribute__((always_inline))
