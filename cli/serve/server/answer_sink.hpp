// Where the worker that reads a request, and the backend that answers it, put what comes of it.
//
// Threads   refuse(), answer() and admit() by one worker; push() by the backend's threads.

#pragma once

#include "cli/serve/api/answer_writer.hpp"
#include "cli/serve/api/completion_backend.hpp"

#include <memory>

namespace larql::serve {

class answer_sink {
public:
  virtual ~answer_sink() = default;

  /// What the request led to: an error, something known at once, or an answer that was admitted.
  virtual void refuse(api_error error) = 0;
  virtual void answer(ordered_json whole) = 0;
  virtual void admit(std::unique_ptr<answer_writer> writer, std::unique_ptr<completion> handle) = 0;
  /// An event of the answer; may come before admit().
  virtual void push(completion_event event) = 0;

  /// Nobody wants the answer any more.
  [[nodiscard]] virtual bool is_dropped() const = 0;
};

} // namespace larql::serve
