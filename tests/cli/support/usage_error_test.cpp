// Mirrors cli/support/usage_error.hpp and cli/support/number_check.hpp: what is said about command
// lines that are wrong.

#include "cli/support/number_check.hpp"
#include "cli/support/usage_error.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using words = std::vector<std::string>;

class UsageError : public testing::Test {
protected:
  UsageError() {
    app.require_command();
    auto run = app.add_command("run", "Runs");
    run.add_option("model", model, "Model").required();
    run.add_option("prompt", prompt, "Prompt");
    run.add_option("-n,--max-tokens", tokens, "Tokens");
    run.add_option("--port", port, "Port").check(whole_number(1, 64));
    run.add_option("--wait", seconds, "Seconds").check(number_between(0.5, 3600));
    run.add_flag("--raw", flag, "Raw");
    auto certs = app.add_command("certs", "Certificates");
    certs.require_command();
    certs.add_command("issue", "Issues");
  }

  std::string said_of(const words& line) {
    const auto outcome = app.parse(line);
    return outcome.what == parse_outcome::kind::complete
               ? std::string{}
               : explain_usage(app.describe(), line, outcome);
  }

  program_parser app{"prog", "Does things"};
  std::string model, prompt;
  unsigned tokens = 0, port = 1;
  double seconds = 0;
  bool flag = false;
};

TEST_F(UsageError, OfACommandNamesTheOneThatWasMeant) {
  EXPECT_EQ(said_of({"rum"}), "prog: there is no command rum, did you mean run?");
  EXPECT_EQ(said_of({"serve"}), "prog: there is no command serve; `prog --help` lists them");
  EXPECT_EQ(said_of({"ask", "x"}), "prog: there is no command ask, did you mean run?");
  EXPECT_EQ(said_of({"certs", "isue"}),
            "prog certs: there is no command isue, did you mean issue?");
  EXPECT_EQ(said_of({}), "prog: the command is missing; `prog --help` lists them");
  EXPECT_EQ(said_of({"certs"}),
            "prog certs: the command is missing; `prog certs --help` lists them");
}

TEST_F(UsageError, OfAnOptionNamesItAndNotTheWordsAroundIt) {
  EXPECT_EQ(said_of({"run", "m", "--max_tokens", "3", "hi"}),
            "prog run: unknown option --max_tokens, did you mean --max-tokens?");
  EXPECT_EQ(said_of({"run", "m", "--stop=x", "hi"}),
            "prog run: unknown option --stop; `prog run --help-all` lists them");
  EXPECT_EQ(said_of({"run", "m", "-v", "hi"}),
            "prog run: unknown option -v; `prog run --help-all` lists them");
  EXPECT_EQ(said_of({"--vresion"}), "prog: unknown option --vresion; `prog --help-all` lists them");
}

TEST_F(UsageError, OfAPromptWithoutQuotesKeepsItsOrder) {
  EXPECT_EQ(
      said_of({"run", "m", "-n", "3", "the", "capital", "of", "France"}),
      "prog run: surplus: capital of France; an argument of several words needs quotes around "
      "it");
}

TEST_F(UsageError, OfAMissingArgumentShowsTheUsage) {
  EXPECT_EQ(said_of({"run"}), "prog run: model is required: prog run [OPTIONS] MODEL [PROMPT]");
}

TEST_F(UsageError, OfANumberHasItsRangeInDigits) {
  EXPECT_EQ(said_of({"run", "m", "-n", "three"}),
            "prog run: --max-tokens is \"three\", expected a whole number, 0 or more");
  EXPECT_EQ(said_of({"run", "m", "-n", "-1"}),
            "prog run: --max-tokens is \"-1\", expected a whole number, 0 or more");
  EXPECT_EQ(said_of({"run", "m", "-n", "99999999999"}),
            "prog run: --max-tokens = 99999999999: too large, or no number");
  EXPECT_EQ(said_of({"run", "m", "--port", "80000"}),
            "prog run: --port is \"80000\", expected a whole number, 1 to 64");
  EXPECT_EQ(said_of({"run", "m", "--wait", "0.1"}),
            "prog run: --wait is \"0.1\", expected a number, 0.5 to 3600");
  EXPECT_EQ(said_of({"run", "m", "-n", "3", "--port", "64", "--wait", "0.5", "hi"}), "");
}

} // namespace
} // namespace larql::cli
