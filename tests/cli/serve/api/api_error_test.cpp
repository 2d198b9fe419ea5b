// Mirrors cli/serve/api/api_error.hpp: the shapes by which clients know an error.

#include "cli/serve/api/api_error.hpp"

#include "tests/cli/serve/json_check.hpp"

namespace larql::serve {
namespace {

using test::is_json;

TEST(ApiError, EveryKindHasItsStatus) {
  for (const auto& [kind, status] :
       {std::pair{error_kind::invalid, 400u}, std::pair{error_kind::unsupported, 400u},
        std::pair{error_kind::too_long, 400u}, std::pair{error_kind::unauthorized, 401u},
        std::pair{error_kind::forbidden, 403u}, std::pair{error_kind::not_found, 404u},
        std::pair{error_kind::wrong_method, 405u}, std::pair{error_kind::too_large, 413u},
        std::pair{error_kind::too_many, 429u}, std::pair{error_kind::internal, 500u},
        std::pair{error_kind::unavailable, 503u}})
    EXPECT_EQ(status_of(kind), status);
}

TEST(ApiError, AWrongFieldIsNamedInEveryProtocol) {
  const auto error = api_error{error_kind::invalid, "expected a number, found \"x\"", "top_p"};
  EXPECT_TRUE(is_json(error_body(protocol::openai, error),
                      R"({"error":{"message":"expected a number, found \"x\"",
                          "type":"invalid_request_error","param":"top_p","code":null}})"));
  EXPECT_TRUE(is_json(error_body(protocol::anthropic, error),
                      R"({"type":"error","error":{"type":"invalid_request_error",
                          "message":"top_p: expected a number, found \"x\""}})"));
  EXPECT_TRUE(is_json(error_body(protocol::ollama, error),
                      R"({"error":"top_p: expected a number, found \"x\""})"));
}

// Agents shorten their conversation when they read these words.
TEST(ApiError, APromptThatIsTooLongIsToldAsClientsRecogniseIt) {
  auto error = api_error{error_kind::too_long, "beyond the context"};
  error.prompt_tokens = 9000;
  error.context_tokens = 8192;
  EXPECT_TRUE(is_json(
      error_body(protocol::openai, error),
      R"({"error":{"message":"This model's maximum context length is 8192 tokens, but the prompt has 9000 tokens. Please reduce the length of the messages.",
                          "type":"exceed_context_size_error","param":null,
                          "code":"context_length_exceeded","n_prompt_tokens":9000,"n_ctx":8192}})"));
  EXPECT_TRUE(is_json(error_body(protocol::anthropic, error),
                      R"({"type":"error","error":{"type":"invalid_request_error",
                          "message":"prompt is too long: 9000 tokens > 8192 maximum"}})"));
  EXPECT_TRUE(is_json(error_body(protocol::ollama, error),
                      R"({"error":"prompt is too long: 9000 tokens > 8192 maximum"})"));
}

TEST(ApiError, AKeyThatIsMissingIsToldInTheProtocolsWords) {
  const auto error = api_error{error_kind::unauthorized, "an API key is needed"};
  EXPECT_EQ(error_body(protocol::openai, error)["error"]["code"], "invalid_api_key");
  EXPECT_EQ(error_body(protocol::anthropic, error)["error"]["type"], "authentication_error");
}

TEST(ApiError, OverloadHasANameOfItsOwn) {
  EXPECT_EQ(error_body(protocol::anthropic, {error_kind::too_many, "x"})["error"]["type"],
            "rate_limit_error");
  EXPECT_EQ(error_body(protocol::anthropic, {error_kind::unavailable, "x"})["error"]["type"],
            "overloaded_error");
  EXPECT_EQ(error_body(protocol::openai, {error_kind::too_many, "x"})["error"]["code"],
            "rate_limit_exceeded");
}

} // namespace
} // namespace larql::serve
