// error[E0408]: 65 of them
use "../lib/small.dlm" { small, recipe, ar, tiny }

experiment e {
    model: tiny()
    data:  small
    train: recipe
    eval:  { every: 1 epoch, loss: valid }
    arms:  {
        a0: { objective: ar }
        a1: { objective: ar }
        a2: { objective: ar }
        a3: { objective: ar }
        a4: { objective: ar }
        a5: { objective: ar }
        a6: { objective: ar }
        a7: { objective: ar }
        a8: { objective: ar }
        a9: { objective: ar }
        a10: { objective: ar }
        a11: { objective: ar }
        a12: { objective: ar }
        a13: { objective: ar }
        a14: { objective: ar }
        a15: { objective: ar }
        a16: { objective: ar }
        a17: { objective: ar }
        a18: { objective: ar }
        a19: { objective: ar }
        a20: { objective: ar }
        a21: { objective: ar }
        a22: { objective: ar }
        a23: { objective: ar }
        a24: { objective: ar }
        a25: { objective: ar }
        a26: { objective: ar }
        a27: { objective: ar }
        a28: { objective: ar }
        a29: { objective: ar }
        a30: { objective: ar }
        a31: { objective: ar }
        a32: { objective: ar }
        a33: { objective: ar }
        a34: { objective: ar }
        a35: { objective: ar }
        a36: { objective: ar }
        a37: { objective: ar }
        a38: { objective: ar }
        a39: { objective: ar }
        a40: { objective: ar }
        a41: { objective: ar }
        a42: { objective: ar }
        a43: { objective: ar }
        a44: { objective: ar }
        a45: { objective: ar }
        a46: { objective: ar }
        a47: { objective: ar }
        a48: { objective: ar }
        a49: { objective: ar }
        a50: { objective: ar }
        a51: { objective: ar }
        a52: { objective: ar }
        a53: { objective: ar }
        a54: { objective: ar }
        a55: { objective: ar }
        a56: { objective: ar }
        a57: { objective: ar }
        a58: { objective: ar }
        a59: { objective: ar }
        a60: { objective: ar }
        a61: { objective: ar }
        a62: { objective: ar }
        a63: { objective: ar }
        a64: { objective: ar }
    }
}
