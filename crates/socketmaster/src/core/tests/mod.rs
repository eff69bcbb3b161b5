mod histories;
mod scenarios;
