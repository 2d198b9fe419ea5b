// Checks on errors: that there is one, of the right kind, whose text names everything it should.

#pragma once

#include "runtime/base/result.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

namespace larql::test {

/// `EXPECT_TRUE(fails(result, errc::corrupt, {"index.json", "hidden_size"}));`
template <class T>
testing::AssertionResult fails(const result<T>& r, errc code,
                               std::initializer_list<std::string_view> parts) {
  if (r)
    return testing::AssertionFailure() << "it succeeded";
  if (r.error().code != code)
    return testing::AssertionFailure() << "the error is " << to_string(r.error().code) << ", not "
                                       << to_string(code) << ": " << r.error().text;
  for (const auto part : parts)
    if (r.error().text.find(part) == std::string::npos)
      return testing::AssertionFailure()
             << "\"" << part << "\" is not named in: " << r.error().text;
  return testing::AssertionSuccess();
}

/// `ASSERT_TRUE(succeeds(result));` prints the error.
template <class T>
testing::AssertionResult succeeds(const result<T>& r) {
  if (r)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << to_string(r.error().code) << ": " << r.error().text;
}

} // namespace larql::test
