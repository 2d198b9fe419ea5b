// Mirrors runtime/text/stop_matcher.hpp.

#include "runtime/text/stop_matcher.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

using stops = std::vector<std::string>;

// What is shown of `text` when it arrives in pieces of `size` bytes.
std::string shown(const stops& s, std::string_view text, std::size_t size) {
  auto m = stop_matcher{s};
  auto out = std::string{};
  for (auto i = std::size_t{0}; i < text.size(); i += size)
    out += m.append(text.substr(i, size));
  return out + m.flush();
}

TEST(StopMatcher, ShowsTheTextBeforeTheFirstStopHoweverItIsCut) {
  for (auto size = std::size_t{1}; size < 12; ++size) {
    EXPECT_EQ(shown({"is Par"}, "The capital is Paris.", size), "The capital ");
    EXPECT_EQ(shown({"Paris", "capital"}, "The capital is Paris.", size), "The ");
    EXPECT_EQ(shown({"aab"}, "aaaab", size), "aa");
    EXPECT_EQ(shown({"none"}, "The capital is Paris. no non", size),
              "The capital is Paris. no non");
    EXPECT_EQ(shown({"x"}, "x", size), "");
    EXPECT_EQ(shown({}, "all of it", size), "all of it");
    EXPECT_EQ(shown({"", "is"}, "this", size), "th");
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStop) {
  auto m = stop_matcher{{"STOP"}};
  EXPECT_EQ(m.append("ab S"), "ab ");
  EXPECT_EQ(m.append("T"), "");
  EXPECT_EQ(m.append("x"), "STx");
  EXPECT_EQ(m.append("STO"), "");
  EXPECT_FALSE(m.matched());
  EXPECT_EQ(m.append("P and more"), "");
  EXPECT_TRUE(m.matched());
  EXPECT_EQ(m.append("nothing"), "");
  EXPECT_EQ(m.flush(), "");
}

TEST(StopMatcher, IsAValue) {
  auto m = stop_matcher{{"ab"}};
  (void) m.append("xa");
  const auto kept = m;
  EXPECT_EQ(m, kept);
  (void) m.append("b");
  EXPECT_FALSE(m == kept);
  m = kept;
  EXPECT_EQ(m.append("c"), "ac");
}

} // namespace
} // namespace larql::text
