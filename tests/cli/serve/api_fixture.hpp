// The API over real connections of this machine, with a model that says what the test tells it to.

#pragma once

#include "cli/serve/server/api_service.hpp"
#include "tests/cli/serve/fake_backend.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/http_stream.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace larql::test {

class api_fixture : public testing::Test {
protected:
  void start() {
    auto made = serve::api_service::create(options);
    ASSERT_TRUE(succeeds(made));
    service = *std::move(made);
    service->attach(&backend);
    auto listening = actors::listen_on({"127.0.0.1", 0});
    ASSERT_TRUE(succeeds(listening));
    auto server = actors::http_server::start(*std::move(listening), *service, http_options);
    ASSERT_TRUE(succeeds(server));
    http = *std::move(server);
  }
  [[nodiscard]] http_response get(std::string_view path, std::string_view headers = "",
                                  std::string_view method = "GET") const {
    auto client = http_stream{http->port()};
    const auto sent = client.send(
        fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", method, path, headers));
    return sent ? client.response(method != "HEAD") : http_response{};
  }
  [[nodiscard]] http_response post(std::string_view path, std::string_view body = "{}",
                                   std::string_view headers = "") const {
    return http_post(http->port(), path, body, headers);
  }

  serve::service_options options;
  actors::http_server_options http_options;
  fake_backend backend;
  std::unique_ptr<serve::api_service> service;
  std::unique_ptr<actors::http_server> http; // ends first
};

} // namespace larql::test
