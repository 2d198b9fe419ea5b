#include "tests/support/paths.hpp"

namespace larql::test {

std::filesystem::path source_dir() {
  return LARQL_SOURCE_DIR;
}

std::filesystem::path golden_models_dir() {
  return LARQL_GOLDEN_MODELS;
}

std::filesystem::path larql_program() {
  return LARQL_BINARY;
}

std::filesystem::path larql_node_program() {
  return LARQL_NODE_BINARY;
}

} // namespace larql::test
