// An exchange whose reply is known when it begins.

#pragma once

#include "actors/net/http_server.hpp"

namespace larql::serve {

class known_exchange final : public actors::http_exchange {
public:
  explicit known_exchange(actors::http_reply reply) : reply_(std::move(reply)) {}
  std::optional<actors::http_reply> reply() override { return std::move(reply_); }
  next read(std::string&) override { return next::end; }
  bool tick(clock::time_point) override { return true; }

private:
  actors::http_reply reply_;
};

} // namespace larql::serve
