// Environment variables, as a function so that tests can put something else in place.

#pragma once

#include <functional>
#include <optional>
#include <string>

namespace larql::cli {

/// The value of a variable, or nothing.
using environment_fn = std::function<std::optional<std::string>(const char*)>;

/// The process's own environment; an empty variable counts as absent.
[[nodiscard]] std::optional<std::string> process_environment(const char* name);

} // namespace larql::cli
