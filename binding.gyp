# For node-gyp and prebuildify; CMakeLists.txt is the source of truth, native/sources.txt and native/napi/sources.txt the lists of files.
{
  "targets": [
    {
      "target_name": "innerloop",
      "sources": [
        "<!@(node -p \"['native/sources.txt','native/napi/sources.txt'].map((f)=>require('fs').readFileSync(f,'utf8').trim()).join(' ').split(/\\s+/).join(' ')\")"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-fno-math-errno", "-fvisibility=hidden"],
      "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,-z,nodelete"],
      "conditions": [["OS=='linux'", { "libraries": ["-ldl"] }]],
      "xcode_settings": {
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "MACOSX_DEPLOYMENT_TARGET": "11.0",
        "GCC_OPTIMIZATION_LEVEL": "3"
      }
    }
  ]
}
