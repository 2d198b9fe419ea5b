// Environment variables, as a function so that tests can put something else in place.

#pragma once

#include "runtime/base/result.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>

namespace larql::cli {

/// The value of a variable, or nothing.
using environment_fn = std::function<std::optional<std::string>(const char*)>;

/// The process's own environment; an empty variable counts as absent.
[[nodiscard]] std::optional<std::string> process_environment(const char* name);

/// An error if a variable that both programs read has a value that means nothing.
[[nodiscard]] result<void> check_environment(const environment_fn& environment);

/// A variable that both programs read, for help and manual.
struct environment_variable {
  const char* name;
  const char* text;
};
[[nodiscard]] std::span<const environment_variable> common_variables();

} // namespace larql::cli
