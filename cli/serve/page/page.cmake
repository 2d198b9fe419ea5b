# The page of `larql serve` is part of the program.
set(page_directory ${CMAKE_CURRENT_LIST_DIR})
set(page_source ${CMAKE_CURRENT_BINARY_DIR}/page_files.cpp)
file(GLOB_RECURSE page CONFIGURE_DEPENDS ${page_directory}/web/*)
add_custom_command(OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${page_directory}/web -DOUTPUT=${page_source} -P ${page_directory}/embed.cmake
  DEPENDS ${page} ${page_directory}/embed.cmake VERBATIM)
set_source_files_properties(${page_source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
target_sources(larql_cli PRIVATE ${page_source})
