// Gives an answer the shape of one protocol: its events as the bytes of a stream, or all of it as
// one JSON value. Made for one request.
//
// Owner     Whoever answers the request.
// Threads   One.

#pragma once

#include "cli/serve/api/completion_event.hpp"
#include "cli/serve/api/completion_result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace larql::serve {

/// What every answer says about itself.
struct answer_identity {
  std::string id;              ///< without the prefix that a protocol gives it
  std::int64_t created = 0;    ///< seconds since 1970
  std::int64_t created_ms = 0; ///< of these, the milliseconds since the last full second
  std::string model;           ///< the name that the server has for it
};

class answer_writer {
public:
  virtual ~answer_writer() = default;

  /// Whether the client asked for a stream.
  [[nodiscard]] virtual bool streams() const noexcept = 0;

  // ---- a stream ---------------------------------------------------------------------------------

  [[nodiscard]] virtual std::string_view content_type() const noexcept {
    return "text/event-stream; charset=utf-8";
  }
  /// The request was admitted: what a stream begins with, before the prompt is read.
  virtual void begin(std::string& out) = 0;
  /// Appends what an event becomes. After the last event of a request the stream is complete.
  virtual void write(const completion_event& event, std::string& out) = 0;
  /// Appends something that clients ignore, so that nobody on the way gives the connection up.
  virtual void keep_alive(std::string& out) const { out += ": waiting\n\n"; }

  // ---- a whole answer ---------------------------------------------------------------------------

  /// @pre result.ended() without an error
  [[nodiscard]] virtual ordered_json whole(const completion_result& result) const = 0;
};

/// One server-sent event: its data is one line. An empty name leaves the name out.
void append_sse(std::string& out, std::string_view name, const ordered_json& data);

} // namespace larql::serve
