//! Conditions that are decided before any event comes: `event.a == "x" or "y"` is always true, since `"y"` stands for itself.
//!
//! Only texts and numbers that stand where a condition is expected are judged. `true` and `false` say what they mean, and
//! `contact.name or "there"` as a value is the usual way to give another one.

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::{Span, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use super::lint::{Broken, VARIABLES, range_of};

/// How a condition goes wrong, and where.
type Judged = Result<(), Broken>;

/// Whether a whole expression is a condition that depends on something.
///
/// # Errors
///
/// What in it is decided already, and what may have been meant.
pub fn check(source: &str) -> Judged {
    // what cannot be parsed is reported where it is compiled
    parse_expr(source).map_or(Ok(()), |expr| Judge { source }.condition(&expr))
}

/// Whether the conditions within a value do: `"x" if event.a == "b" or "c"`.
///
/// # Errors
///
/// As [`check`].
pub fn check_within(source: &str) -> Judged {
    parse_expr(source).map_or(Ok(()), |expr| Judge { source }.value(&expr))
}

/// Whether the conditions of a whole template do: `{% if event.a == "b" or "c" %}`.
///
/// # Errors
///
/// As [`check`].
pub fn check_script(source: &str) -> Judged {
    parse(source, "<template>", SyntaxConfig::default()).map_or(Ok(()), |whole| Judge { source }.statement(&whole))
}

/// The text that an expression is, where it is one written out.
pub fn literal(source: &str) -> Option<String> {
    match parse_expr(source).ok()? {
        Expr::Const(constant) => constant.value.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

struct Judge<'a> {
    source: &'a str,
}

impl Judge<'_> {
    fn statement(&self, statement: &Stmt<'_>) -> Judged {
        let all = |statements: &[Stmt<'_>]| statements.iter().try_for_each(|statement| self.statement(statement));
        match statement {
            Stmt::Template(whole) => all(&whole.children),
            Stmt::EmitExpr(emitted) => self.value(&emitted.expr),
            Stmt::IfCond(branches) => {
                self.condition(&branches.expr)?;
                all(&branches.true_body)?;
                all(&branches.false_body)
            }
            Stmt::ForLoop(each) => {
                self.value(&each.iter)?;
                each.filter_expr.as_ref().map_or(Ok(()), |filter| self.condition(filter))?;
                all(&each.body)?;
                all(&each.else_body)
            }
            // what else there is, `lint` refuses
            _ => Ok(()),
        }
    }

    fn condition(&self, expr: &Expr<'_>) -> Judged {
        if let Some(value) = alone(expr) {
            return Err(self.decided(expr, &value, &[]));
        }
        match expr {
            Expr::BinOp(pair) if is_joint(pair.op) => {
                let mut sides = Vec::new();
                flatten(expr, pair.op, &mut sides);
                if let Some((side, value)) = sides.iter().find_map(|side| Some((side, alone(side)?))) {
                    return Err(self.decided(side, &value, &sides));
                }
                sides.into_iter().try_for_each(|side| self.condition(side))
            }
            Expr::UnaryOp(negated) if matches!(negated.op, UnaryOpKind::Not) => self.condition(&negated.expr),
            Expr::IfExpr(choice) => {
                self.condition(&choice.test_expr)?;
                self.condition(&choice.true_expr)?;
                choice.false_expr.as_ref().map_or(Ok(()), |other| self.condition(other))
            }
            _ => {
                self.compared(expr)?;
                self.value(expr)
            }
        }
    }

    /// `"event.status" == "paid"` compares two texts, `event.a == ("x" or "y")` knows only the first.
    fn compared(&self, whole: &Expr<'_>) -> Judged {
        let sides = compared(whole);
        for side in &sides {
            if let Expr::BinOp(pair) = side
                && matches!(pair.op, BinOpKind::ScOr)
                && let Some(first) = alone(&pair.left).filter(Value::is_true)
            {
                return Err(Broken {
                    unknown: None,
                    message: format!("`{}` is always `{first}`", self.text(side.span())),
                    range: Some(range_of(&side.span())),
                    hint: Some("for one of several, write `in` and a list, as event.a in [\"x\", \"y\"]".to_owned()),
                });
            }
        }
        let quoted = sides.iter().find(|side| alone(side).is_some_and(|value| value.as_str().is_some_and(is_path)));
        if let Some(quoted) = quoted.filter(|_| sides.iter().all(|side| alone(side).is_some())) {
            let text = self.text(whole.span());
            return Err(Broken {
                unknown: None,
                message: format!("`{text}` compares two texts: it does not look at the event"),
                range: Some(range_of(&quoted.span())),
                hint: Some(format!("write {} without quotes", self.text(quoted.span()).trim_matches(['"', '\'']))),
            });
        }
        Ok(())
    }

    fn decided(&self, side: &Expr<'_>, value: &Value, sides: &[&Expr<'_>]) -> Broken {
        let written = self.text(side.span());
        let always = if value.is_true() { "always true" } else { "always false" };
        Broken {
            unknown: None,
            message: format!("`{written}` by itself is {always}: it is compared with nothing"),
            range: Some(range_of(&side.span())),
            hint: Some(self.list_of(sides).unwrap_or_else(|| match sides {
                [] => format!("compare it with a field, as event.status == {written}; `true` and `false` are written without quotes"),
                _ => format!("compare it, too, as event.status == {written}"),
            })),
        }
    }

    /// `event.a in ["x", "y"]`, where `event.a == "x" or "y"` is written.
    fn list_of(&self, sides: &[&Expr<'_>]) -> Option<String> {
        let (subject, operator, first) = sides.iter().find_map(|side| self.equation(side))?;
        let others = sides.iter().copied().filter(|side| alone(side).is_some());
        let values: Vec<&str> = std::iter::once(first).chain(others).map(|side| self.text(side.span())).collect();
        Some(format!("write {subject} {operator} [{}]", values.join(", ")))
    }

    /// What is compared with a text or a number, how, and with which.
    fn equation<'e, 's>(&self, expr: &'e Expr<'s>) -> Option<(&str, &'static str, &'e Expr<'s>)> {
        let Expr::BinOp(pair) = expr else { return None };
        let operator = match pair.op {
            BinOpKind::Eq => "in",
            BinOpKind::Ne => "not in",
            op if is_joint(op) => return self.equation(&pair.right),
            _ => return None,
        };
        alone(&pair.right)?;
        // the span of a path may begin after its first name, that of a comparison before it
        let subject = self.source.get(range_of(&expr.span()).start..range_of(&pair.right.span()).start)?.trim();
        let subject = ["or ", "and ", "if "].iter().find_map(|word| subject.strip_prefix(word)).unwrap_or(subject);
        Some((subject.trim_end_matches(['=', '!']).trim().trim_start_matches('('), operator, &pair.right))
    }

    fn text(&self, span: Span) -> &str {
        self.source.get(range_of(&span)).unwrap_or("")
    }

    fn value(&self, expr: &Expr<'_>) -> Judged {
        let all = |items: &[Expr<'_>]| items.iter().try_for_each(|item| self.value(item));
        let given = |items: &[CallArg<'_>]| {
            items.iter().try_for_each(|item| match item {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.value(value),
            })
        };
        match expr {
            Expr::IfExpr(choice) => {
                self.condition(&choice.test_expr)?;
                self.value(&choice.true_expr)?;
                choice.false_expr.as_ref().map_or(Ok(()), |other| self.value(other))
            }
            Expr::BinOp(pair) => self.value(&pair.left).and_then(|()| self.value(&pair.right)),
            Expr::Compare(compare) => {
                self.value(&compare.expr)?;
                compare.ops.iter().try_for_each(|op| self.value(&op.expr))
            }
            Expr::UnaryOp(only) => self.value(&only.expr),
            Expr::Filter(filter) => {
                filter.expr.as_ref().map_or(Ok(()), |expr| self.value(expr))?;
                given(&filter.args)
            }
            Expr::Test(test) => self.value(&test.expr).and_then(|()| given(&test.args)),
            Expr::Call(call) => self.value(&call.expr).and_then(|()| given(&call.args)),
            Expr::GetAttr(field) => self.value(&field.expr),
            Expr::GetItem(item) => self.value(&item.expr).and_then(|()| self.value(&item.subscript_expr)),
            Expr::Slice(slice) => self.value(&slice.expr),
            Expr::List(list) => all(&list.items),
            Expr::Tuple(tuple) => all(&tuple.items),
            Expr::Map(map) => all(&map.keys).and_then(|()| all(&map.values)),
            Expr::Var(_) | Expr::Const(_) => Ok(()),
        }
    }
}

/// The value of a text or a number that is written out.
fn alone(expr: &Expr<'_>) -> Option<Value> {
    expr.as_const().filter(|value| matches!(value.kind(), ValueKind::String | ValueKind::Number))
}

fn is_joint(op: BinOpKind) -> bool {
    matches!(op, BinOpKind::ScAnd | BinOpKind::ScOr)
}

/// What is compared with each other.
fn compared<'e, 's>(expr: &'e Expr<'s>) -> Vec<&'e Expr<'s>> {
    use BinOpKind::{Eq, Gt, Gte, In, Lt, Lte, Ne};
    match expr {
        Expr::BinOp(pair) if matches!(pair.op, Eq | Ne | Lt | Lte | Gt | Gte | In) => vec![&pair.left, &pair.right],
        Expr::Compare(chain) => std::iter::once(&chain.expr).chain(chain.ops.iter().map(|op| &op.expr)).collect(),
        _ => Vec::new(),
    }
}

/// The sides of `a or b or c`, from the left.
fn flatten<'e, 's>(expr: &'e Expr<'s>, op: BinOpKind, sides: &mut Vec<&'e Expr<'s>>) {
    match expr {
        Expr::BinOp(pair)
            if is_joint(pair.op) && matches!(pair.op, BinOpKind::ScAnd) == matches!(op, BinOpKind::ScAnd) =>
        {
            flatten(&pair.left, op, sides);
            flatten(&pair.right, op, sides);
        }
        _ => sides.push(expr),
    }
}

/// Whether a text names a field.
fn is_path(text: &str) -> bool {
    let names = VARIABLES.iter().any(|name| text.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '['])));
    names && !text.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::super::expression::Expression;
    use super::super::template::Template;

    #[test]
    fn a_condition_that_is_decided_already_is_a_fault() {
        for (condition, part, hint) in [
            (r#"event.a == "x" or "y""#, r#""y""#, r#"write event.a in ["x", "y"]"#),
            (r#"event.a == "x" or "y" or 'z'"#, r#""y""#, r#"write event.a in ["x", "y", 'z']"#),
            (r#"meta.type == "a" and (event.b.c == 1 or 2)"#, "2", "write event.b.c in [1, 2]"),
            (r#"(event["a b"] == "x") or ("y")"#, r#""y""#, r#"write event["a b"] in ["x", "y"]"#),
            (r#"event.a != "x" and "y""#, r#""y""#, r#"write event.a not in ["x", "y"]"#),
            (r#"event.a or "y""#, r#""y""#, r#"compare it, too, as event.status == "y""#),
            (r#""x" or event.a == "y""#, r#""x""#, r#"write event.a in ["y", "x"]"#),
            (
                r#"not "paid""#,
                r#""paid""#,
                r#"compare it with a field, as event.status == "paid"; `true` and `false` are written without quotes"#,
            ),
            (
                r#""paid""#,
                r#""paid""#,
                r#"compare it with a field, as event.status == "paid"; `true` and `false` are written without quotes"#,
            ),
            ("1", "1", "compare it with a field, as event.status == 1; `true` and `false` are written without quotes"),
            (
                r#"event.a == ("x" or "y")"#,
                r#""x" or "y""#,
                "for one of several, write `in` and a list, as event.a in [\"x\", \"y\"]",
            ),
            (r#""event.a" == "x""#, r#""event.a""#, "write event.a without quotes"),
            (r#"event.b if event.a == "x" or "y" else false"#, r#""y""#, r#"write event.a in ["x", "y"]"#),
        ] {
            let broken = Expression::condition(condition).expect_err(condition);
            assert_eq!(broken.hint.as_deref(), Some(hint), "{condition}");
            assert_eq!(broken.range.and_then(|range| condition.get(range)), Some(part), "{condition}");
        }
        for template in [
            r#"{% if event.a == "x" or "y" %}Hi{% endif %}"#,
            r#"{% for a in event.l if a == "x" or "y" %}{{ a }}{% endfor %}"#,
            r#"{% if event.b %}{% if "x" %}Hi{% endif %}{% endif %}"#,
            r#"{{ "Hi" if event.a == "x" or "y" }}"#,
            r#"Hi {{ ("a" if event.a == "x" or "y" else "b") | upper }}"#,
        ] {
            let broken = Template::compile(template).expect_err(template);
            assert!(broken.message.contains("by itself is always true"), "{template}: {}", broken.message);
            assert!(broken.range.and_then(|range| template.get(range)).is_some_and(|part| part.contains('"')));
        }
    }

    #[test]
    fn what_depends_on_the_event_or_says_what_it_means_passes() {
        for condition in [
            "true",
            "false",
            "not true",
            "event.a",
            r#"event.a == "x" or event.b == "y""#,
            r#"event.a in ["x", "y"]"#,
            r#""x" in event.tags and "y" not in event.tags"#,
            r#"(event.a or "x") == "x""#,
            r#"(event.a or "x") | lower == "x""#,
            "event.n | default(0) > 0 or event.m",
            r#""a" ~ event.b == "ab""#,
            r#""Visit event.com" != event.a"#,
            "event.a if true else event.b",
        ] {
            assert!(Expression::condition(condition).is_ok(), "{condition}: {:?}", Expression::condition(condition));
        }
        for template in [
            r#"{{ contact.first_name or "there" }}"#,
            r#"{{ "paid" if event.paid else "due" }}"#,
            r#"{% if event.a %}{{ event.b or "x" }}{% else %}y{% endif %}"#,
        ] {
            assert!(Template::compile(template).is_ok(), "{template}");
        }
    }
}
