// `larql serve` as the end-to-end tests use it: the demo model on any free port, ready.

#pragma once

#include "tests/e2e/programs.hpp"
#include "tests/support/http_stream.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace larql::test {

using nlohmann::json;

class serve_process {
public:
  serve_process(const fs::path& vindex, const words& options,
                const child_process::variables& settings = {})
      : child_(command(vindex, options), settings) {
    constexpr std::string_view before = "ready on ";
    if (!child_.wait_for_out("\n")) {
      ADD_FAILURE() << "the server did not start: " << child_.err();
      return;
    }
    const auto line = child_.out();
    const auto at = line.find(before);
    const auto colon = line.find(':', line.find("://", at) + 3);
    if (at == std::string::npos || colon == std::string::npos) {
      ADD_FAILURE() << line;
      return;
    }
    url_ = line.substr(at + before.size(), line.find(": ", colon) - at - before.size());
    port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
  }

  [[nodiscard]] child_process& child() noexcept { return child_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// "http://127.0.0.1:34567"
  [[nodiscard]] const std::string& url() const noexcept { return url_; }

  [[nodiscard]] http_response post(std::string_view path, const json& body,
                                   std::string_view headers = "") const {
    return http_post(port_, path, body.dump(), headers);
  }
  [[nodiscard]] http_response get(std::string_view path, std::string_view headers = "") const {
    auto client = http_stream{port_};
    return client.get(path, headers) ? client.response() : http_response{};
  }
  /// The value of a sample of /metrics; NaN if there is none.
  [[nodiscard]] double metric(const std::string& name) const {
    const auto text = get("/metrics").body;
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? std::nan("") : std::stod(text.substr(at + name.size() + 2));
  }

private:
  static words command(const fs::path& vindex, const words& options) {
    auto out = larql({"serve", vindex.string(), "--port", "0"});
    if (std::find(options.begin(), options.end(), "-t") == options.end())
      out.insert(out.end(), {"-t", "2"});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }

  child_process child_;
  std::string url_;
  std::uint16_t port_ = 0;
};

/// A conversation of one message of the user.
inline json chat_request(const std::string& text, const json& more = json::object()) {
  auto out =
      json{{"messages", json::array({{{"role", "user"}, {"content", text}}})}, {"temperature", 0}};
  out.update(more);
  return out;
}

/// The text of a whole answer of chat completions.
inline std::string content_of(const http_response& r) {
  const auto body = json::parse(r.body, nullptr, false);
  if (r.status != 200 || !body.is_object()) {
    ADD_FAILURE() << r.status << ": " << r.body;
    return {};
  }
  const auto& content = body["choices"][0]["message"]["content"];
  return content.is_string() ? content.get<std::string>() : std::string{};
}

/// Tests with the demo model, which is extracted once for all of them.
class demo_model_test : public testing::Test {
protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<temporary_directory>();
    const auto done = run(larql(
        {"extract", (source_dir() / "tests/demo_model/larql-demo.gguf").string(), "-o", vindex()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  [[nodiscard]] static std::string vindex() { return (*scratch_ / "demo.vindex").string(); }

  static inline std::unique_ptr<temporary_directory> scratch_;
};

} // namespace larql::test
