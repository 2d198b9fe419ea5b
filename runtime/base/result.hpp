// result<T>: a value or an error. How every fallible function of runtime/ answers.
//
// Errors    An error is a code for programs and a text for people. The text names the file or peer,
//           the field, what was found and what was expected; callers add context, never remove it.
// Threads   Plain values.

#pragma once

#include "runtime/base/check.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace larql {

/// What kind of failure it is: who can do something about it.
enum class errc : unsigned char {
  usage = 1,   ///< The request itself makes no sense: wrong flag, wrong range, unknown name.
  not_found,   ///< A file or directory that should exist does not.
  io,          ///< The operating system refused: permission, disk full, read error.
  corrupt,     ///< A file or a message contradicts its format.
  unsupported, ///< Well-formed, but beyond what this version can do.
  mismatch,    ///< Two things that must agree do not: model, protocol version, shapes.
  unavailable, ///< A peer cannot be reached, or it refused work for now.
  deadline,    ///< An answer did not come in time.
  cancelled,   ///< The caller asked to stop.
  internal,    ///< A bug in this program.
};

/// Lower-case name of a code, for logs.
[[nodiscard]] const char* to_string(errc code) noexcept;

/// A failure. Cheap to move, never empty.
struct [[nodiscard]] failure {
  errc code;
  std::string text;

  /// The same error with "context: " in front, for callers that know more.
  [[nodiscard]] failure in(std::string_view context) && {
    text = fmt::format("{}: {}", context, text);
    return std::move(*this);
  }
};

/// Formats the text of an error: `fail(errc::corrupt, "{}: magic is {}", path, magic)`.
template <class... Args>
failure fail(errc code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A `T` or an error, which is a `failure` unless a library has an error of its own.
template <class T, class E = failure>
class [[nodiscard]] result {
public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(E err) : state_(std::in_place_index<1>, std::move(err)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return state_.index() == 0; }

  /// @pre holds a value
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& {
    LARQL_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& operator*() && { return std::move(value()); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &**this; }

  /// @pre holds an error
  [[nodiscard]] const E& error() const& {
    LARQL_CHECK(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] E&& error() && {
    LARQL_CHECK(state_.index() == 1);
    return std::move(*std::get_if<1>(&state_));
  }

private:
  T& value() {
    LARQL_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  std::variant<T, E> state_;
};

/// Success without a value, or a `failure`.
template <>
class [[nodiscard]] result<void, failure> {
public:
  result() = default;
  result(failure err) : error_(std::move(err)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return !error_; }

  [[nodiscard]] const failure& error() const& {
    LARQL_CHECK(error_.has_value());
    return *error_;
  }
  [[nodiscard]] failure&& error() && {
    LARQL_CHECK(error_.has_value());
    return std::move(*error_);
  }

private:
  std::optional<failure> error_;
};

} // namespace larql

#define LARQL_CONCAT_(a, b) a##b
#define LARQL_CONCAT(a, b) LARQL_CONCAT_(a, b)

/// `LARQL_TRY(auto file, mapped_file::open(path));` binds the value or returns the error.
#define LARQL_TRY(declaration, expression)                                                         \
  auto LARQL_CONCAT(try_, __LINE__) = (expression);                                                \
  if (!LARQL_CONCAT(try_, __LINE__))                                                               \
    return std::move(LARQL_CONCAT(try_, __LINE__)).error();                                        \
  declaration = *std::move(LARQL_CONCAT(try_, __LINE__))

/// The same for `result<void>`: returns the error, if any.
#define LARQL_TRY_VOID(expression)                                                                 \
  if (auto LARQL_CONCAT(try_, __LINE__) = (expression); !LARQL_CONCAT(try_, __LINE__))             \
  return std::move(LARQL_CONCAT(try_, __LINE__)).error()
