# ratelimit/embed.cmake - gcra.lua as an array of bytes with its SHA-1, made when the script changes.
# Included by CMakeLists.txt; run by itself (cmake -DIN=... -DOUT=... -P) it writes the file.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ ${IN} hex HEX)
    file(SHA1 ${IN} sha1)
    string(REGEX REPLACE "(..)" "0x\\1," bytes ${hex})
    file(WRITE ${OUT} "#include \"ratelimit/script.h\"\n"
        "const char limits_script[] = {${bytes}0x00};\n"
        "const size_t limits_script_len = sizeof limits_script - 1;\n"
        "const char limits_script_sha1[] = \"${sha1}\";\n")
else()
    set(limits_lua ${CMAKE_SOURCE_DIR}/ratelimit/gcra.lua)
    set(limits_lua_c ${CMAKE_BINARY_DIR}/gcra_lua.c)
    add_custom_command(OUTPUT ${limits_lua_c}
        COMMAND ${CMAKE_COMMAND} -DIN=${limits_lua} -DOUT=${limits_lua_c} -P ${CMAKE_SOURCE_DIR}/ratelimit/embed.cmake
        DEPENDS ${limits_lua} ${CMAKE_SOURCE_DIR}/ratelimit/embed.cmake VERBATIM)
    target_sources(gw_ratelimit PRIVATE ${limits_lua_c})
endif()
