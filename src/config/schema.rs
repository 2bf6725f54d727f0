//! The JSON Schemas of configuration files, made of the types they are read into.

use schemars::JsonSchema;
use serde_json::Value;

/// The schema of a part of a type: nothing is required of it, and what `without` names is not known.
pub fn part_schema_of<T: JsonSchema>(without: &[&str]) -> Value {
    let mut schema = schema_of::<T>();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
    }
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.retain(|key, _| !without.contains(&key.as_str()));
    }
    schema
}

/// The JSON Schema of a type, closed: an object that lists its properties takes no others.
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("type") == Some(&Value::from("object"))
                && map.contains_key("properties")
                && !map.contains_key("additionalProperties")
            {
                map.insert("additionalProperties".into(), Value::Bool(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
