// api_result<T>: a value, or the error that a client of the API is told. LARQL_TRY works with it.
//
// Threads   Plain values.

#pragma once

#include "cli/serve/api/api_error.hpp"
#include "runtime/base/check.hpp"

#include <utility>
#include <variant>

namespace larql::serve {

template <class T>
class [[nodiscard]] api_result {
public:
  api_result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  api_result(api_error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return state_.index() == 0; }

  /// @pre holds a value
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(value()); }
  [[nodiscard]] T* operator->() { return &value(); }

  /// @pre holds an error
  [[nodiscard]] const api_error& error() const& {
    LARQL_CHECK(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] api_error&& error() && {
    LARQL_CHECK(state_.index() == 1);
    return std::move(*std::get_if<1>(&state_));
  }

private:
  T& value() {
    LARQL_CHECK(state_.index() == 0);
    return *std::get_if<0>(&state_);
  }

  std::variant<T, api_error> state_;
};

} // namespace larql::serve
