@node "%~dp0cmake.mjs" %*
