#include "cli/support/environment.hpp"

#include <cstdlib>

namespace larql::cli {

std::optional<std::string> process_environment(const char* name) {
  const auto* value = std::getenv(name);
  if (value == nullptr || *value == '\0')
    return std::nullopt;
  return value;
}

result<void> check_environment(const environment_fn& environment) {
  const auto level = environment("LARQL_LOG");
  if (level && *level != "info" && *level != "warning" && *level != "error")
    return fail(errc::usage, "LARQL_LOG is \"{}\", expected info, warning or error", *level);
  return {};
}

std::span<const environment_variable> common_variables() {
  static constexpr environment_variable all[] = {
      {"LARQL_LOG", "Lowest level of log lines that are shown: info, warning or error"},
      {"LARQL_CACHE", "Where models of the Hub are kept (default: ~/.cache/larql)"},
      {"LARQL_SIMD",
       "Instruction set to compute with: scalar, avx2, avxvnni, avx512, neon or i8mm (default: the "
       "best)"},
      {"HF_TOKEN", "Token for Hugging Face"},
      {"HF_TOKEN_PATH", "File with that token"},
      {"HF_ENDPOINT", "Address of the Hub (default: https://huggingface.co)"},
  };
  return all;
}

} // namespace larql::cli
