// What the body of a request asks for, by endpoint: an answer of the model and the shape it gets,
// or something that is known at once.
//
// Blocking  Tokenising takes milliseconds: not on the thread of the HTTP server.

#pragma once

#include "cli/serve/api/answer_writer.hpp"
#include "cli/serve/api/completion_backend.hpp"
#include "cli/serve/server/routes.hpp"

#include <memory>

namespace larql::serve {

struct prepared_answer {
  completion_request ask;
  std::unique_ptr<answer_writer> writer; ///< null: `now` is the whole answer
  ordered_json now;
};

/// @pre the route takes a body
[[nodiscard]] api_result<prepared_answer> prepare(endpoint to, const ordered_json& body,
                                                  const answer_identity& identity,
                                                  completion_backend& backend);

} // namespace larql::serve
