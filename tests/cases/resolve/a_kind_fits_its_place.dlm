// error[E0206]: an objective where a train is due
use "../lib/small.dlm" { small, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: ar
    eval:  { every: 1 epoch, loss: valid }
    arms:  { a: { objective: ar } }
}
