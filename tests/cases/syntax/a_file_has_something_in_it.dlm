// error[E0103]: comments alone are nothing
