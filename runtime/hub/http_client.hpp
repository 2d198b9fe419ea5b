// Requests that get through if anything can: tried again after cut connections, timeouts, 429 and
// 5xx; redirected; and with the token, but only to the Hub itself.
//
// A redirect to a storage host gets none of the caller's credentials: whether a request carries the
// token is decided for each hop by the origin (scheme, host and port) of its URL.
//
// Blocking  Yes. Pauses and transfers end soon after `stop` is requested.
// Errors    Name the URL without its query, the status and the server's words, and what to do.
// Threads   One client per thread.

#pragma once

#include "runtime/base/jitter.hpp"
#include "runtime/hub/access.hpp"
#include "runtime/hub/http.hpp"
#include "runtime/hub/retry.hpp"

namespace larql::hub {

struct http_settings {
  hub::access access;
  retry_policy retry;
  std::chrono::milliseconds connect_timeout{15000};
  std::chrono::seconds stall_timeout{30};
  std::string user_agent = "larql";
  std::stop_token stop;
  /// "…: 503 …; again in 4 s"; may be called by several threads.
  std::function<void(const std::string&)> on_notice;
};

/// A range of a remote file of known size.
struct download {
  std::string url;
  interval range;
  std::uint64_t file_bytes = 0;
  /// Takes the bytes in order, without gaps or repetition. An error ends the download.
  std::function<result<void>(std::span<const std::byte>)> sink;
};

class http_client {
public:
  explicit http_client(const http_settings& settings);

  /// The final answer, whatever its status: after redirects, and after all attempts where the
  /// status is a transient one. @pre request.on_body is empty
  [[nodiscard]] result<http_answer> exchange(http_request request);
  /// The same, for callers that can use nothing but success.
  [[nodiscard]] result<http_answer> exchange_ok(http_request request);

  /// Downloads a range. What came before a cut is kept: the next attempt asks for the rest.
  [[nodiscard]] result<void> fetch(const download& d);

private:
  http_outcome follow(http_request& request);
  http_outcome fetch_once(const download& d, std::uint64_t& got);
  /// Waits before the next attempt, or gives the error to end with.
  result<void> pause(unsigned failures, const http_outcome& last);

  const http_settings& settings_;
  http_handle handle_;
  std::map<std::string, std::string> locations_; ///< where the Hub's URLs led, for the next range
  std::function<double()> uniform_ = jitter_source();
};

} // namespace larql::hub
