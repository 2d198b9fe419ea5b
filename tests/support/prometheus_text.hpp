// A strict reader of Prometheus' text format 0.0.4: every sample belongs to a family with HELP and
// TYPE, names and labels are well formed, histograms add up.

#pragma once

#include <map>
#include <set>
#include <string>

namespace larql::test {

class prometheus_text {
public:
  /// What is wrong with the text fails the test.
  explicit prometheus_text(const std::string& text);

  /// NaN if there is no such sample. `series` as it is written: name, or name{label="value"}.
  [[nodiscard]] double operator[](const std::string& series) const;
  [[nodiscard]] const std::map<std::string, std::string>& types() const noexcept { return types_; }

private:
  void read(const std::string& line);
  void add(const std::string& series, const std::string& name, const std::string& number,
           const std::string& line);
  void check_histograms() const;

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
};

} // namespace larql::test
