# Writes the files of a directory into a C++ source, as they are and compressed:
#   cmake -DSOURCE=DIR -DOUTPUT=FILE.cpp -P embed.cmake
# Needs gzip. Every file is smaller than 64 KB, which is what a string literal may hold.
cmake_minimum_required(VERSION 3.25)
set(most_bytes 400000) # of the whole page, compressed

function(type_of name out)
  set(types .html=text/html .js=text/javascript .css=text/css .svg=image/svg+xml)
  get_filename_component(end ${name} LAST_EXT)
  foreach(entry IN LISTS types)
    if(entry MATCHES "^([^=]+)=(.+)$" AND end STREQUAL CMAKE_MATCH_1)
      set(${out} "${CMAKE_MATCH_2}; charset=utf-8" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "${name}: the type of such files is not known (${CMAKE_CURRENT_LIST_FILE})")
endfunction()

# A literal with every byte as \xNN: whatever follows one is a backslash, never a further digit.
function(literal_of file out)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" text "${hex}")
  set(${out} "\"${text}\"sv" PARENT_SCOPE)
endfunction()

find_program(gzip gzip REQUIRED)
file(GLOB_RECURSE names RELATIVE ${SOURCE} ${SOURCE}/*)
list(SORT names)
set(rows "")
set(sum 0)
foreach(name IN LISTS names)
  type_of(${name} type)
  execute_process(COMMAND ${gzip} -9nc ${SOURCE}/${name} OUTPUT_FILE ${OUTPUT}.gz COMMAND_ERROR_IS_FATAL ANY)
  file(SIZE ${OUTPUT}.gz size)
  math(EXPR sum "${sum} + ${size}")
  file(SHA256 ${SOURCE}/${name} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  literal_of(${SOURCE}/${name} whole)
  literal_of(${OUTPUT}.gz compressed)
  string(APPEND rows "    page_file{\"${name}\", \"${type}\", \"${hash}\",\n              ${whole},\n              ${compressed}},\n")
endforeach()
file(REMOVE ${OUTPUT}.gz)
if(sum GREATER most_bytes)
  message(FATAL_ERROR "the page has ${sum} bytes compressed, at most ${most_bytes}")
endif()
file(WRITE ${OUTPUT} "// Written by cli/serve/page/embed.cmake.

#include \"cli/serve/page/page_files.hpp\"

#include <array>

namespace larql::serve {

using namespace std::string_view_literals;

std::span<const page_file> page_files() noexcept {
  static constexpr auto files = std::to_array<page_file>({
${rows}  });
  return files;
}

} // namespace larql::serve
")
