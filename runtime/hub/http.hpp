// One HTTP request over libcurl: no retry, no redirect, no opinion about who gets which header
// (http_client.hpp has those). The only place that knows how libcurl is driven.
//
// TLS certificates and host names are verified; proxies are taken from the environment
// (https_proxy, no_proxy …), as libcurl does.
//
// Blocking  perform() blocks. It ends when a connection cannot be made in time, when a transfer
//           stalls, or within about a second after `stop` is requested.
// Threads   One http_handle per thread; it keeps its connections open for the next request.
// Memory    A body without a sink is kept in memory, at most `max_body_bytes` of it.

#pragma once

#include "runtime/base/interval_set.hpp"
#include "runtime/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace larql::hub {

/// A body that is read while it is sent.
struct body_source {
  std::uint64_t bytes = 0;
  /// Fills `out` from `offset` on; it lies within the body.
  std::function<result<void>(std::uint64_t offset, std::span<std::byte> out)> read;
};

struct http_answer {
  long status = 0;
  std::map<std::string, std::string, std::less<>> headers; ///< names in lower case
  std::string body;
  std::string url; ///< that gave the answer, after redirects
  std::optional<std::chrono::seconds> retry_after;

  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
  /// Empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view lower_case_name) const;
};

struct http_request {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  ///< "Name: value"
  std::string body;                  ///< of POST and PUT
  std::optional<body_source> source; ///< of PUT, instead of `body`
  std::optional<interval> range;

  std::uint64_t max_body_bytes = 64u << 20;
  /// Certificates that the other end's is checked with; empty: the system's.
  std::filesystem::path ca_file;
  std::chrono::milliseconds connect_timeout{15000};
  /// How long less than a kilobyte a second is borne, in both directions. http_client takes its
  /// own if that is longer.
  std::chrono::seconds stall_timeout{0};

  /// Called once when the status is 2xx, before the body. An error ends the transfer.
  std::function<result<void>(const http_answer&)> on_head;
  /// Takes the body of a 2xx answer. An error ends the transfer.
  std::function<result<void>(std::span<const std::byte>)> on_body;
  /// Bytes of the body sent so far.
  std::function<void(std::uint64_t)> on_sent;
  /// Ends the transfer soon.
  std::stop_token stop;
};

/// What became of a request: an answer of any status, or an error.
struct http_outcome {
  http_answer answer;
  std::optional<failure> error;
  bool may_retry = false; ///< the error is one of the way (cut, timeout), not of either end
};

class http_handle {
public:
  http_handle();
  ~http_handle();
  http_handle(http_handle&&) noexcept;
  http_handle& operator=(http_handle&&) noexcept;

  [[nodiscard]] http_outcome perform(const http_request& request);

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace larql::hub
