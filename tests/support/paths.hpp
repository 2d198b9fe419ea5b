// Where tests find the sources, the golden models that the build makes, and the two programs.
//
// One source file knows the build's directories, so that all other objects are the same in every
// checkout and a compiler cache serves them all.

#pragma once

#include <filesystem>

namespace larql::test {

[[nodiscard]] std::filesystem::path source_dir();
[[nodiscard]] std::filesystem::path golden_models_dir();
[[nodiscard]] std::filesystem::path larql_program();
[[nodiscard]] std::filesystem::path larql_node_program();

} // namespace larql::test
