// What an HTTP server and whoever answers its requests exchange.
//
// Threads   Plain values.

#pragma once

#include "actors/core/memory_budget.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace larql::actors {

/// A name and a value. Of a request, the name is in lower case.
using http_header = std::pair<std::string, std::string>;

struct http_request {
  std::string method;
  std::string path; ///< decoded, without the query
  std::vector<http_header> headers;
  std::string body;
  std::string peer; ///< the client's numeric address
  bool has_http_1_0 = false;
  std::shared_ptr<budget_share> memory = {}; ///< held while the body is

  /// Empty if it is absent; the first one if it comes several times.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
    for (const auto& [key, value] : headers)
      if (key == name)
        return value;
    return {};
  }
  [[nodiscard]] bool has_header(std::string_view name) const noexcept {
    for (const auto& h : headers)
      if (h.first == name)
        return true;
    return false;
  }
};

struct http_reply {
  unsigned status = 200;
  std::vector<http_header> headers = {};
  std::string body = {};
  bool is_stream = false; ///< instead of `body`, the exchange's bytes
  bool close = false;     ///< the connection ends with this reply
};

} // namespace larql::actors
