# Makes migrations.c, the files of gateway/store/migrations as one C table, with their SHA-256.
# Included, it adds that file to gw_store; run as a script (-D OUT=... -D DIR=...), it writes it.
if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(GW_MIGRATIONS ${CMAKE_BINARY_DIR}/gateway/store/migrations.c)
    file(GLOB sql CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/migrations/*.sql)
    add_custom_command(OUTPUT ${GW_MIGRATIONS}
        COMMAND ${CMAKE_COMMAND} -D OUT=${GW_MIGRATIONS} -D DIR=${CMAKE_CURRENT_LIST_DIR}/migrations
            -P ${CMAKE_CURRENT_LIST_DIR}/migrations.cmake
        DEPENDS ${sql} ${CMAKE_CURRENT_LIST_DIR}/migrations.cmake
        VERBATIM)
    target_sources(gw_store PRIVATE ${GW_MIGRATIONS})
    return()
endif()

# text(FILE OUT): the bytes of FILE as C, sixteen a line
function(text file out)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    set(${out} "    ${hex}0x00,\n" PARENT_SCOPE)
endfunction()

set(arrays "")
set(rows "")
set(version 0)
file(GLOB files ${DIR}/*.sql)
list(SORT files)
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    text(${file} bytes)
    if(name STREQUAL "grants")
        string(APPEND arrays "static const unsigned char grants[] = {\n${bytes}};\n")
        continue()
    endif()
    math(EXPR version "${version} + 1")
    if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
        message(FATAL_ERROR "${file}: a migration is named NNNN_name.sql, of a-z 0-9 _")
    endif()
    string(REGEX MATCH "[1-9][0-9]*$" number ${CMAKE_MATCH_1})
    if(NOT number EQUAL version)
        message(FATAL_ERROR "${file}: the next migration has number ${version}")
    endif()
    file(SHA256 ${file} hash)
    string(APPEND arrays "static const unsigned char m${version}[] = {\n${bytes}};\n")
    string(APPEND rows "    {${version}, \"${name}\", \"${hash}\", (const char *)m${version}},\n")
endforeach()
if(version EQUAL 0 OR NOT arrays MATCHES "char grants")
    message(FATAL_ERROR "${DIR}: no migrations, or no grants.sql")
endif()
file(WRITE ${OUT} "/* Made by gateway/store/migrations.cmake; do not edit. */
#include \"gateway/store/migrate.h\"

${arrays}
const struct migration migrations[] = {
${rows}};
const size_t migration_count = ${version};
const char *const migration_grants = (const char *)grants;
")
