// text/jinja/objects.h - the values with behavior: functions, macros, namespaces, loops.
#pragma once

#include <functional>

#include "text/jinja/interpreter.h"

namespace hearth::text::jinja {

using Binding = std::vector<std::optional<Value>>;
// Arguments in the order of `names`; empty where none was given. Throws TemplateError for too many, unknown
// or double ones, and when one of the first `n_required` is missing.
Binding bind(const Arguments& arguments, std::string_view what, std::initializer_list<std::string_view> names,
             std::size_t n_required = 0);

// A built-in function, or a method bound to its value.
class Function final : public Object {
  public:
    using Body = Value (*)(Interpreter&, const Value& self, const Arguments&);
    Function(std::string_view name, Body body, Value self = {})
        : name_(name), body_(body), self_(std::move(self)) {
        depth = deeper_than(self_);
    }
    [[nodiscard]] std::string_view type_name() const override { return "builtin_function_or_method"; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) const override;
    [[nodiscard]] bool callable() const override { return true; }
    Value call(Interpreter& interpreter, const Arguments& arguments) override {
        return body_(interpreter, self_, arguments);
    }
    [[nodiscard]] std::string print() const override {
        return "<built-in function " + std::string(name_) + ">";
    }

  private:
    std::string_view name_;
    Body body_;
    Value self_;
};

class Namespace final : public Object {
  public:
    // Throws TemplateError for names that begin with an underscore, as `transformers` does.
    void set(const std::string& name, const Value& value);
    void clear() { values_.clear(); }
    [[nodiscard]] std::string_view type_name() const override { return "Namespace"; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) const override;
    [[nodiscard]] std::string print() const override;
    [[nodiscard]] Author author() const override { return Author::outside; }

  private:
    std::unordered_map<std::string, Value> values_;
    std::vector<std::string> order_;
};

class Macro final : public Object {
  public:
    Macro(const Statement& statement, ScopePtr outer) : scope(std::move(outer)), statement_(&statement) {}
    [[nodiscard]] std::string_view type_name() const override { return "Macro"; }
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) const override;
    Value call(Interpreter& interpreter, const Arguments& arguments) override;
    [[nodiscard]] std::string print() const override {
        return (statement_->kind == StatementKind::macro ? "<Macro '" + statement_->text + "'>"
                                                         : "<Macro anonymous>");
    }
    ScopePtr scope;  // where it was defined

  private:
    const Statement* statement_;  // the template outlives the render
};

// The `loop` variable.
class Loop final : public Object {
  public:
    // `more` adds the next item to `items`, if there is one: a loop's condition is asked when its turn comes.
    Loop(const Statement& statement, ScopePtr outer, std::shared_ptr<const Values> items,
         std::function<bool()> more, int level)
        : scope(std::move(outer)),
          statement_(&statement),
          items_(std::move(items)),
          more_(std::move(more)),
          level_(level) {}
    // Whether there is an item of this number.
    [[nodiscard]] bool has(std::size_t i) const {
        while (items_->size() <= i)
            if (!more_()) return false;
        return true;
    }
    [[nodiscard]] std::string_view type_name() const override { return "LoopContext"; }
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) const override;
    Value call(Interpreter& interpreter, const Arguments& arguments) override;  // recursive loops
    Value cycle(const Arguments& arguments) const;
    Value changed(const Arguments& arguments);
    std::size_t at = 0;
    ScopePtr scope;  // around the loop

  private:
    const Statement* statement_;
    std::shared_ptr<const Values> items_;
    std::function<bool()> more_;
    int level_;
    std::optional<Values> last_changed_;
};

class Cycler final : public Object {
  public:
    explicit Cycler(Values items);
    [[nodiscard]] std::string_view type_name() const override { return "Cycler"; }
    [[nodiscard]] std::optional<Value> attribute(std::string_view name) const override;
    Value next();
    void reset() { at_ = 0; }

  private:
    Values items_;
    std::size_t at_ = 0;
};

class Joiner final : public Object {
  public:
    explicit Joiner(Value separator) : separator_(std::move(separator)) {}
    [[nodiscard]] std::string_view type_name() const override { return "Joiner"; }
    [[nodiscard]] bool callable() const override { return true; }
    Value call(Interpreter& interpreter, const Arguments& arguments) override;

  private:
    Value separator_;
    bool used_ = false;
};

// A method of an object of ours: holds it alive.
class ObjectMethod final : public Object {
  public:
    using Body = Value (*)(Object& self, const Arguments&);
    ObjectMethod(std::shared_ptr<Object> self, Body body) : self_(std::move(self)), body_(body) {
        depth = deeper_than(Value(self_));
    }
    [[nodiscard]] std::string_view type_name() const override { return "method"; }
    [[nodiscard]] bool callable() const override { return true; }
    Value call(Interpreter&, const Arguments& arguments) override { return body_(*self_, arguments); }

  private:
    std::shared_ptr<Object> self_;
    Body body_;
};

// Methods of Python's types: str, dict, list, tuple, int, float. Null when there is none of that name.
Function::Body find_method(const Value& value, std::string_view name);
Function::Body find_text_method(std::string_view name);
Function::Body find_number_method(bool is_float, std::string_view name);
Value dict_from_keys(Interpreter& interpreter, const Value& self, const Arguments& arguments);
// A method that would change a value in place, which templates may not.
bool is_mutating_method(const Value& value, std::string_view name);

// range, dict, namespace, cycler, joiner, lipsum, raise_exception, strftime_now.
std::unordered_map<std::string, Value> builtin_globals();

}  // namespace hearth::text::jinja
