mod scenarios;
mod script;
